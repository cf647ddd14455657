"""The page of `devbox trace ui`: what it is asked and answers, and the thread that keeps it up to date."""
