"""Deny by default: a view that names no permission is closed to everybody."""
