//! The proxy on a broker that only echoes, programs as processes; and with the feature `kafka` all of it on a real broker.
