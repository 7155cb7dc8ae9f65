"""The classes of vehicles by their numbers of docs/design.md section 7, the same in every package. Pure."""

UNKNOWN, CAR, BUS, TRUCK, HAZMAT, OTHER = range(6)
N_CLASSES = 6
# the classes that a lane of the map may permit, by their bits
ALLOWED = ("car", "bus", "truck", "hazmat", "emergency", "maintenance")
