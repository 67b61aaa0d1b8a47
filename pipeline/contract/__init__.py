"""Every name and shape of the project, spelled once; importing this package loads nothing."""
