"""Claude: drafts of commentary over the anthropic client, and a sandbox Messages API."""
