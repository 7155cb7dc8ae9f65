"""JT/T 808, the protocol between vehicle terminals and a platform: editions 2011, 2013 and 2019."""
