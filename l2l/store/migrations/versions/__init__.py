"""One file a version of the schema; published ones never change."""
