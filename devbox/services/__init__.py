"""The app's containers: config to container specs; up, down, ps, logs, exec, run, forward."""
