"""Pure readers of vendor payloads, one folder a vendor: bytes as recorded in, typed values out."""
