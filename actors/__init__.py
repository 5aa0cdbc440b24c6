"""What an application imports to write actors, workflows and tasks."""
