"""The HTTP interface over the published run: routes, schemas and problems. It knows nothing of BentoML."""
