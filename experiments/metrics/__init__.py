"""What is measured: metric definitions, built in and made by users (pure)."""
