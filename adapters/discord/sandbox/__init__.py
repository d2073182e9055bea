"""A local Discord: REST version 10 with its nonce, rate and permission rules."""
