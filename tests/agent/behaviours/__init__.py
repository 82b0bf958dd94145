"""What the agent does under faults: one test or more for each behaviour of docs/agent/behaviours.md."""
