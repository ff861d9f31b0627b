"""canary in GitHub Actions."""
