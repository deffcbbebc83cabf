# What both ends of the bridge are made with.
list(APPEND sources ${CMAKE_CURRENT_SOURCE_DIR}/nats/subject.c ${CMAKE_CURRENT_SOURCE_DIR}/nats/link.c)
