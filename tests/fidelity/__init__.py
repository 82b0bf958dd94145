"""The ledger of facts and what holds it."""
