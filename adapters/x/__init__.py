"""X: text posts over tweepy, and a sandbox that speaks the vendor's wire."""
