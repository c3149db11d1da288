"""Table Storage and the Web PubSub service: what is kept and read there, and how they are called."""
