"""Mail: the connection to the SMTP server, and the queue of mails to send."""
