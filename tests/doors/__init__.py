"""Every way in: each endpoint and each way an answer can go wrong, through every door."""
