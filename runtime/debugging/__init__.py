"""Debugging by replay: an instance's own code, run over its recorded events. Reads streams and files, changes neither."""
