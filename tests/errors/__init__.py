"""Every error that a user can meet, by its text: see test_texts.py."""
