"""The sockets: ssh, sftp, docker, disk, inotify. Foreign errors end here."""
