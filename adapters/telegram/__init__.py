"""Telegram: prompts, presses and pages over python-telegram-bot, and a sandbox Bot API.

No object of the library leaves this folder.
"""
