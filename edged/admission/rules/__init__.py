"""Pure: reviews, verdicts, patches, groups, grants, webhook objects, redaction."""
