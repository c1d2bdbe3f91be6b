"""What can be known of users and items from what happened before a moment. docs/profiles.md defines every figure."""
