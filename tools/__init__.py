"""What the command line does beyond training and serving: tagging files, reports, annotation, bulk work."""
