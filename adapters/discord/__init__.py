"""Discord: messages over discord.py's REST client, and a sandbox that speaks the vendor's wire.

No discord.py object leaves this folder.
"""
