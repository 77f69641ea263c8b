"""The foundation: errors, the job model, texts, time, processes."""
