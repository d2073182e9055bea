"""A local Messages API that writes plausible drafts out of the facts it is given."""
