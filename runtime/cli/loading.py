from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from actors import App
from runtime.cli.errors import CommandLineError, WrongInput
from runtime.shadowing import refuse_shadowing

if TYPE_CHECKING:
    from runtime.readers import Projections


def load_app(reference: str) -> App:
    """Import `module:app`, with the current folder among the places to look.

    Raises:
        CommandLineError: it can't be loaded; for an error inside the user's module the message has its file and line.
        DefinitionError: it has a type named like one that Perdure has by itself.
        ShadowedPackage: a module here has the name of one of Perdure's packages.
    """
    app, attribute = _loaded(reference, "an application: expected module:app, for example shop:app")
    if not isinstance(app, App):
        raise WrongInput(f"{reference} is a {type(app).__name__}, not an actors.App: write `{attribute} = App(…)`")
    from runtime.schedules import include_schedules

    return include_schedules(app)


def load_projections(reference: str) -> Projections:
    """Import `module:projections`; raises as `load_app` does."""
    from runtime.readers import Projections

    found, attribute = _loaded(reference, "projections: expected module:projections, for example stocked:projections")
    if not isinstance(found, Projections):
        raise WrongInput(
            f"{reference} is a {type(found).__name__}, not a runtime.Projections: write `{attribute} = Projections(app, […])`"
        )
    return found


def _loaded(reference: str, what: str) -> tuple[object, str]:
    module_name, colon, attribute = reference.partition(":")
    if not colon or not module_name or not attribute:
        raise WrongInput(f"{reference!r} does not name {what}")
    folder = Path.cwd()
    refuse_shadowing(folder)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return _attribute(_import(module_name, reference), attribute, reference), attribute


def _import(name: str, reference: str) -> object:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise WrongInput(
                f"no module {error.name!r} for {reference}: looked in {Path.cwd()} and the installed packages"
            ) from None
        raise CommandLineError(_located(error, reference)) from error
    except (Exception, SystemExit) as error:  # whatever a user's module does while it is imported is its own
        raise CommandLineError(_located(error, reference)) from error


def _attribute(module: object, path: str, reference: str) -> object:
    found = module
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            apps = [name for name, value in vars(module).items() if isinstance(value, App)]
            known = f"; it has {', '.join(apps)}" if apps else "; write `app = App(actors=[…], tasks=[…])` there"
            raise WrongInput(f"{reference}: the module has no {path!r}{known}") from None
    return found


def _located(error: BaseException, reference: str) -> str:
    """Give an error with the place in the user's code where it was raised, not the place in ours that noticed."""
    place = ""
    if isinstance(error, SyntaxError) and error.filename:
        place, message = f"{error.filename}:{error.lineno}: ", error.msg
    else:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
        if frames:
            place = f"{frames[-1].filename}:{frames[-1].lineno}: "
        message = str(error)
    return f"{place}{type(error).__name__}: {message} (while loading {reference})"


_OURS = Path(__file__).resolve().parents[2]
_OWN_FOLDERS = tuple(str(_OURS / name) + "/" for name in ("actors", "eventstore", "runtime"))


def _is_users(filename: str) -> bool:
    return not filename.startswith(("<frozen", *_OWN_FOLDERS)) and filename != importlib.__file__
