"""The page that retention teams open in the morning: rendered here, without a script."""
