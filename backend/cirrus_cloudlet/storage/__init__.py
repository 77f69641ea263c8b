"""What is on disk: the database and the documents."""
