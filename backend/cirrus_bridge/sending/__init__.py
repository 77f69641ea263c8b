"""The way from a job to a submitted document: props, segments, upload, submit."""
