"""One folder a vendor: its client, and a sandbox that speaks the vendor's own wire format."""
