"""What a Unix process needs: systemd, child processes, whole files, the status socket, boundaries of units of work."""
