"""The machine that hosts actors: it joins the model and the log."""
