"""What judges the code under test: nothing here serves a call."""
