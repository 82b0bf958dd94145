"""What is installed, and what happens when something is not."""
