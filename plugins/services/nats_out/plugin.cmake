# What both ends of the bridge are made with.
include(${CMAKE_CURRENT_SOURCE_DIR}/nats/sources.cmake)
