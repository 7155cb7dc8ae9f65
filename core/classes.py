"""The classes of vehicles by their numbers of DESIGN section 5, the same in every package. Pure."""

UNKNOWN, CAR, BUS, TRUCK, HAZMAT, OTHER = range(6)
N_CLASSES = 6
