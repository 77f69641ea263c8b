"""What the rest of the bridge talks about: errors, the job model, texts, time, processes."""
