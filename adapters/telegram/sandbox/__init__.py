"""A local Telegram: Bot API methods, long polling, inline keyboards and presses."""
