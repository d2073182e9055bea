"""Publication tiers, approvals and deliveries: who is told what, when, and once."""
