"""Table Storage and the Web PubSub service: what is stored and read there, and how they are called."""
