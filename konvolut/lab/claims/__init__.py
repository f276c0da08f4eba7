"""The claims: one file a study."""
