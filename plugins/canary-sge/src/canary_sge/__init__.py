"""Jobs on a Grid Engine cluster: submitted, watched, cancelled, found again."""
