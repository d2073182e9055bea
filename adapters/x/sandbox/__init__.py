"""A local X: posts, the own timeline, OAuth 1.0a signatures and the duplicate rule."""
