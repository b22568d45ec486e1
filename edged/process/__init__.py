"""What a Unix process needs: systemd, whole files, the status socket, deferred imports."""
