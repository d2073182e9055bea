"""Reddit: text posts over praw in a thread of its own, and a sandbox of the vendor's wire.

No praw object leaves this folder.
"""
