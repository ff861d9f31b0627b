"""canary in GitLab: merge request notes, code quality, issues."""
